"""From records to batches by tf.data. The only room of surveys that imports TensorFlow."""
