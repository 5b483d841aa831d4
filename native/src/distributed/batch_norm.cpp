#include "distributed/batch_norm.h"

namespace retort {
namespace {

thread_local Group* current = nullptr;

}  // namespace

BatchNormOfAllRanks::BatchNormOfAllRanks(Group* group) : before_(current) {
  current = group;
}

BatchNormOfAllRanks::~BatchNormOfAllRanks() {
  current = before_;
}

}  // namespace retort
