"""The models' mathematics. Imports keras and the layers."""
