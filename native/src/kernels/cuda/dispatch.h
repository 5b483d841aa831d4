#pragma once

/// The dispatcher's key for the operators here. The tests put them in the place of the CPU's, on emulated threads.
#ifndef RETORT_CUDA_KEY
#define RETORT_CUDA_KEY CUDA
#endif
