"""From records to batches, with tf.data. The only part of `glowseis.survey` that imports TensorFlow."""
