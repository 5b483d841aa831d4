/** Retort beside other libraries and in one's own threads: the code of docs/interop.md. */
package org.retort.examples.interop;
