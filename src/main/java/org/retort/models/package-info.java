/** Networks to train and to learn from: native ones and TorchScript modules. */
package org.retort.models;
