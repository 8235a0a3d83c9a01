"""AlexNet on CIFAR-10 with Batch Normalization, dropout and both, and five things tried beside them: source S4.

Reproduces: J. Zhu, "Using Batch Normalization to Accelerate AlexNet" - AlexNet plain, with BN, with dropout and with
both, each trained once there; then other learning rates, Adam, better initial weights and weight decay beside BN. SGD
with learning rate 0.1 (the best of 1, 0.1 and 0.01 there); 10 epochs, then more than 20. Its results stand in figures
that are lost, so nothing is printed as published. The source names neither the size of its images nor the batch nor
where dropout stood, so this is a RECONSTRUCTION, whichever of two networks is taken:

    network                                       images    preset     stands for
    alexnet: AlexNet at CIFAR's size, 2.9 M       32x32     faithful   the source's question, at a cost that repeats
    alexnet_d2l: the book's, 46.8 M parameters    224x224   d2l        the network that the source likely trained

Command:    python -m studies.alexnet_bn                       (CIFAR-10, 10 paired seeds; needs a GPU)
            python -m studies.alexnet_bn --preset scaled       (half width, 20,000 images; a different experiment)
            python -m studies.alexnet_bn --preset smoke        (under a minute)
            python -m studies.alexnet_bn --preset d2l          (224x224 images; a GPU, and 12 GB of memory)
            python -m studies.alexnet_bn --preset validation   (optimizers and learning rates, on validation images)
            python -m studies.alexnet_bn --arms lr,optimizer,initial,l2,batch,long,deeper
Cost:       50 runs of AlexNet: needs a GPU; about 10 hours on 2 CPU cores (estimate; see studies/README.md)

Read from an ambiguous text: the code is said to come from "Dive into Deep Learning", whose AlexNet cannot take 32x32
images, so enlarged ones are likely, and `d2l` is the preset that comes closest to the source's network. The default has
two hidden dense layers of 512 units, in every arm, to carry the dropout. From the book, where the source is silent:
batch 128, Glorot's (Xavier's) initial weights, dropout of 0.5 on both hidden dense layers, no momentum, no
augmentation. BN stands after each convolution, before the ReLU. 20 epochs lie between the source's 10 and its "more
than 20"; the group `long` has 40. The rates of Adam and of weight decay are not in the source: Adam's default and two
neighbours, and two usual values. All 50,000 training images are used.

Groups of arms: `lr`, `optimizer`, `initial`, `l2`, `batch`, `long`, and `deeper` (ResNet-20, for S4-C13).
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("alexnet_bn", __file__)
