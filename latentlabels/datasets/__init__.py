"""Data sets made here, whose complete labels are known: street scenes, mosaics, class and colour; and hiding labels."""
