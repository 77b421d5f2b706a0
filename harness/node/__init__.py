"""TensorFlow.js in Node: its packages, its process, and the script that runs in it."""
