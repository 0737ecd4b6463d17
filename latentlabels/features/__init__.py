"""Features of pictures, computed once by an encoder that is not trained, and kept on disk."""
