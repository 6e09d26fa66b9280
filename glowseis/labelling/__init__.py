"""The page on which gathers are labelled: what is to be judged, how it is drawn, a model's opinion, the server."""
