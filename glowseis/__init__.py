"""Rare-class seismic shot gathers from a normalising flow (Glow), after the paper "SeismoGlow".

Importing this package is quick: it loads neither TensorFlow nor Keras. Import what you use from its rooms:
`glowseis.layers`, `glowseis.models`, `glowseis.survey`, `glowseis.fitting`, `glowseis.synthesis`.
"""

from glowseis.version import __version__ as __version__
