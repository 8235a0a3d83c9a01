"""LeNet-5 on MNIST with Batch Normalization, Dropout, and both: source S0.

Reproduces: D. Zyunkin, "Analyzing the Effect of Batch Normalization and Dropout Layers on CNN Performance",
Rutgers ECE, 2022 - ten variants, each trained once there: baseline; BN; Dropout and BN + Dropout at drop
probabilities 0.1, 0.2, 0.5 and 0.8. SGD with learning rate 0.05, batch 128, 5 epochs, 50,000 training images.

Command:    python -m studies.lenet_grid                      (MNIST, 10 paired seeds)
            python -m studies.lenet_grid --dataset digits     (no download; a different experiment)
            python -m studies.lenet_grid --preset smoke       (seconds)
            python -m studies.lenet_grid --arms core,initial  (with initial weights of other scales, for claim S0-C4)
Cost:       110 runs of LeNet-5: 42 minutes on 2 CPU cores (measured, n = 110 runs; see studies/README.md)

Read from an ambiguous text: BN stands after each of the three convolutions, before the ReLU; dropout after the
84-unit dense layer's ReLU; initial weights are PyTorch's defaults; pixels lie in [0, 1]; 10,000 of the 60,000
training images are held out for validation.
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("lenet_grid", __file__)
