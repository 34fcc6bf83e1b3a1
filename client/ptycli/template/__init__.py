"""Templates of ``--format``: the part of Go's text/template that docker's users write.

``token`` cuts the text, ``parser`` makes a tree of it, ``evaluation`` runs the tree over data with
the functions of ``function``. Left out are templates with names (define, template, block), complex
numbers and characters. A template is a stranger's program: its depth and its work are bounded.
"""
