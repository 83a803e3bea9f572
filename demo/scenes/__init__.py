"""What the pictures show; each scene is a function that draws one onto a new canvas and returns it."""
