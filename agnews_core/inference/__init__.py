"""Text to class: the classifier, predictions of whole files, the words that decided, the models there are."""
