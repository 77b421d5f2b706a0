"""The arrows of the pipeline, one file each; they run inside workers."""
