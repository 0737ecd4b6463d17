"""Sources of images and embeddings, batches of them, and the toy scenes."""
