package org.retort.losses;

/**
 * A loss that a {@link org.retort.train.TrainingStep} can add to its sum, described by its options.
 */
public sealed interface DistillationLoss
    permits KdLoss, DkdLoss, FspLoss, NstLoss, CrdLoss, OfdLoss, ProgramLoss, RegisteredLoss {}
