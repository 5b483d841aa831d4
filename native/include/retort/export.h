#pragma once

/// Marks what libretort.so exports; everything else is hidden.
#define RETORT_API __attribute__((visibility("default")))
