/** The README's examples. */
package org.retort.examples;
