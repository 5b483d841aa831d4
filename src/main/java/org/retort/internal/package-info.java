/** Loading, checks, lifetime and the translation of errors; not for users of the library. */
package org.retort.internal;
