"""Images: from a layout on disk to a tree of files that boxes have as their root.

``layout`` finds the image in a folder and proves its parts, ``config`` says what it wants to run,
``content`` reads its layers, ``applier`` makes files of them, ``store`` keeps the trees.

An image is one tree, all its layers applied, not a stack of overlays: what a layer means is defined
as a change to the tree below it (image-spec, layer.md), and there alone do hard links to earlier
layers, links on the way and missing parents mean what they should. No whiteout is ever kept, so
there is none to forge, and a tree is the same for root and for an ordinary user. The price is that
two images do not share on disk what they have in common.
"""
