"""One file per task: ``load(task, shape, seed) -> Dataset``; ``task`` has the fields of ``conf/task``."""
