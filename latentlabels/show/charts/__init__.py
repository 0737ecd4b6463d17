"""Charts of a page as blocks: HTML tables with bars, heat maps, lines over axes, and pictures with captions.

They show what `plots` draws for users, but as text and shapes of the page itself: names can be found and copied, colours
follow the paper, and each number stands where a screen reader finds it.
"""
