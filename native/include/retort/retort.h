#pragma once

/// Everything Retort offers, for C++.
#include <retort/data/augmentation.h>
#include <retort/errors.h>
#include <retort/losses/crd.h>
#include <retort/losses/criterion.h>
#include <retort/losses/cross_entropy.h>
#include <retort/losses/dkd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/memory/contrast_memory.h>
#include <retort/models/mlp.h>
#include <retort/models/mobilenet_v2.h>
#include <retort/models/network.h>
#include <retort/models/networks.h>
#include <retort/models/resnet.h>
#include <retort/models/shufflenet_v1.h>
#include <retort/models/shufflenet_v2.h>
#include <retort/models/torchscript.h>
#include <retort/models/vgg.h>
#include <retort/models/wide_resnet.h>
#include <retort/runtime.h>
#include <retort/train/adam.h>
#include <retort/train/sgd.h>
#include <retort/train/training_step.h>
