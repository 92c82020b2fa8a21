"""One page with every card of a pack: figures, slices, curves, and right and wrong pictures from the data folder."""
