"""LeNet-5 on MNIST with one and with two dropout layers, one of them on the logits: source S2.

Reproduces: D. Li, "Deep Learning Final Project Report" - LeNet-5; with BN; with two dropout layers of 0.5; with both;
and the source's repetition with one dropout layer, each trained once there. SGD with learning rate 0.01, batch 128,
10 epochs, 50,000 training images. Its results stand in figures that are lost, so nothing is printed as published.

Command:    python -m studies.lenet_placement                      (MNIST, 10 paired seeds)
            python -m studies.lenet_placement --preset scaled      (20,000 images, 5 seeds; a different experiment)
            python -m studies.lenet_placement --preset smoke       (seconds)
Cost:       70 runs of LeNet-5: about 36 minutes on 2 CPU cores (estimate; measured: scaled, see studies/README.md)

Read from S2's code: BN stands after each of the three convolutions, before the ReLU. The second dropout layer
stands on the class scores, where it keeps the training loss above 0.83 nats; building such a network warns of it. The
first stands before the dense layer's ReLU, here after it: for the same mask that is the same network. Log-softmax
before a cross-entropy that takes the softmax itself changes nothing, so the network ends in logits.

Read from an ambiguous text: initial weights are PyTorch's defaults; pixels lie in [0, 1]; 10,000 of the 60,000 training
images are left out, because the source counts 50,000. The source's repetition ran on another machine; here both run on
one.
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("lenet_placement", __file__)
