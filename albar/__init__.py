"""First floor: models, clip sampling, one file a method, the trainer, checkpoints. Works without the command line."""
