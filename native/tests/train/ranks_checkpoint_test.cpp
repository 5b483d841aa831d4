// TrainingStep::save, checkpoint and load of several ranks.
