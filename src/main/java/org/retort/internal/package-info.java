/** Loading, checks, lifetimes and error translation; not for users of the library. */
package org.retort.internal;
