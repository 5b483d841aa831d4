#pragma once

#include <set>
#include <string>

#include "models/exported/program.h"

namespace retort::exported {

/// Whether a program was exported in evaluation mode: of what differs in training nothing trains.
bool is_of_evaluation(const Program& program);

/// The operators that draw random numbers in every mode, which Python may have meant for training alone.
std::set<std::string> noise_in(const Program& program);

}  // namespace retort::exported
