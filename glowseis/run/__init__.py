"""A run on disk: its record, its survey, its training, its SavedModel and its figures.

```
runs/NAME/
  run.json         recipe, survey and its checksum, versions, git commit
  checkpoints/     last state and best weights
  logs/            TensorBoard
  predictions.csv  of a classifier: probabilities of every validation and test gather
  result.json      the figures, when it is done
```
"""
