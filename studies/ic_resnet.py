"""ResNets on CIFAR-10 with Batch Normalization and dropout joined to one layer, in three orders: source S1.

Reproduces: A. Choudhury, H. Ved and A. Vantipuli, "Combining Batch Normalization and Dropout in the Training of Deep
Neural Network", 2021 - ResNet-110 and -164 and their bottleneck versions, each as usual and with the IC layer (BN, then
dropout of 0.05) of Chen et al. (arXiv 1905.05928) as ReLU-IC-Conv, IC-Conv-ReLU and Conv-ReLU-IC: sixteen networks,
each trained once there. Learning rate 0.001 throughout, batch 64, 100 epochs, all 50,000 training images.

Command:    python -m studies.ic_resnet                      (CIFAR-10, 5 paired seeds; needs a GPU, for days)
            python -m studies.ic_resnet --preset decisive    (ResNet-20: orders and rates, 21 arms; needs a GPU)
            python -m studies.ic_resnet --preset scaled      (ResNet-20 at half width, 5,000 images, 5 epochs, 2 seeds)
            python -m studies.ic_resnet --preset smoke       (under a minute)
Cost:       105 runs of deep ResNets: needs a GPU; about 172 days on 2 CPU cores (estimate; see studies/README.md)

Added, because the source has no control for either: `pre` (He et al.'s full pre-activation), which like every IC order
has no ReLU after the addition, and each IC order without dropout (`-p0`, group `control`).

Read from an ambiguous text: p is the probability of dropping. The optimizer is not named; Adam is what the rate and the
paper's update rule belong to (Keras' cifar10_resnet example). Neither augmentation nor weight decay is mentioned, so
there is none. Initial weights are He's. A bottleneck network of depth d has (d - 2) / 9 blocks in each stage, a basic
one (d - 2) / 6. The shortcut is a 1x1 convolution where the shape changes. So that all orders have one number of
parameters, Conv-ReLU-IC has BN after the stem and none before the last pooling, the other orders the reverse.

Groups of arms: `control`; `depth20` (basic and bottleneck), `depth32`, `depth44`; `rates` (dropout 0, 0.05 and 0.10 in
ResNet-20); `schedule` (steps as in the paper, 200 epochs); `augmentation`; `smoke` (ResNet-8 and -11).
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("ic_resnet", __file__)
