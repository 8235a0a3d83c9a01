"""A small CNN, one twice as deep and ResNet-20 on CIFAR-10, with BN before or after the activation: source S3.

Reproduces: P. Adeikalam, G. Chen and K. Xu, "Effect of Batch Normalization and Dropout in Deep Learning Networks"
(slides) - BN in a simple CNN, in one with twice the layers and in ResNet-20; dropout in the first two. The slides hold
neither numbers nor hyperparameters, and their figures are lost, so this is a RECONSTRUCTION: its verdicts are about
what the slides say, in networks and with a training that may not have been theirs.

Command:    python -m studies.cnn_depth                              (CIFAR-10, 10 paired seeds; needs a GPU)
            python -m studies.cnn_depth --preset scaled              (half width, 4,000 images; a different experiment)
            python -m studies.cnn_depth --preset smoke               (under a minute, 6 arms)
            python -m studies.cnn_depth --arms core,rates,tuning     (what S3-C10 and S3-C14 need)
Cost:       120 runs of CNNs and ResNet-20: needs a GPU; about 5.5 days on 2 CPU cores (estimate; see studies/README.md)

Reconstructed, and why:
- Networks: the simple CNN is the one of Keras' cifar10_cnn example (1,250,858 parameters), whose results are published;
  the deeper one doubles each of its convolutions; ResNet-20 is He et al.'s, with a projection where the shape changes.
- BN: on every convolution. ResNet-20 without BN is the same network with BN left away.
- Dropout: at the example's places and rates, 0.25 after each pooling and 0.5 after the hidden dense layer. "Too high"
  is asked of one rate at all three of them.
- Training: SGD, which the slides speak of, with momentum 0.9, learning rate 0.01, batch 64 and 30 epochs; neither
  augmentation nor weight decay, so that the networks can overfit, which is what dropout mends on the slides. Initial
  weights are Keras' default, Glorot's. All 50,000 training images; the slides' validation images are taken to be the
  test images.
Groups of arms: `lr` (other learning rates, without BN), `rates` (dropout), `tuning` (momentum and epsilon of BN),
`batch` and `tiny_batch` (other batch sizes, the learning rate in proportion).
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("cnn_depth", __file__)
