"""A miniature SigLIP for the demo: pictures, what is said of them, training, the folder that ships."""
