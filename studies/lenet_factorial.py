"""LeNet-5 on MNIST, BN position x dropout rate x dropout site: what S0, S2, S3 and S4 contradict each other about.

Reproduces: nothing that was published. Five times the sources answer one question differently: whether dropout makes
training shorter (S0) or longer (S2); whether it still helps beside BN (S0 yes, S2 a little, S4 very bad); whether BN
belongs before the activation (S3) or after it (S1); what BN costs in time (S0 over 10 %, S2 little); and whether
dropout alone improves accuracy (S0, S3 and S4 yes, S2 no). They differ in site, rate, network and budget at once, so
here all else is equal: 3 BN positions x (no dropout + 4 rates x 3 sites) = 39 arms, at S0's budget (SGD with learning
rate 0.05, batch 128, 5 epochs).

Command:    python -m studies.lenet_factorial                      (MNIST, 10 paired seeds)
            python -m studies.lenet_factorial --preset scaled      (10,000 images, 5 seeds; a different experiment)
            python -m studies.lenet_factorial --preset smoke       (seconds, 5 arms)
            python -m studies.lenet_factorial --arms before,after  (BN position alone)
Cost:       400 runs of LeNet-5: about 2 hours on 2 CPU cores (estimate; measured: lenet_grid, see studies/README.md)

Arms are called BN-SITERATE: `before-conv0.5` is BN before the activation and dropout of 0.5 on the convolutions;
`none`, `before` and `after` have no dropout. Sites: `dense` is the hidden dense layer (S0's), `both` adds the logits
(S2's two, which warns of the loss floor), `conv` is every convolution, after its pooling. Ten arms are lenet_grid's own
under another name, with the same runs. S3's and S4's questions are asked of LeNet-5 on MNIST: an answer holds for that.
"""

from kbnd.cli import study_main

if __name__ == "__main__":
    study_main("lenet_factorial", __file__)
