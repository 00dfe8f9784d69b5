"""The same model in JAX, TensorFlow and MXNet, beside the book's own in PyTorch. No module here imports another framework's.

Each has the layer from scratch and the framework's own, the language model, its training and its prediction, written as
its framework would have it. What they share are names, plain arrays and the experiment.
"""
