"""How TensorFlow runs the graphs of functions."""


def rewrite_graphs(wanted):
    """Let TensorFlow rewrite graphs before they run, as it does by itself, which takes as long as a few steps."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not wanted})
