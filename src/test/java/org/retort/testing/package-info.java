/** What the tests share. */
package org.retort.testing;
