"""The code folder of the training job and of the explainer: the scripts in it import one another by file name."""
