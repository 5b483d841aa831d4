/** Tests of what users get: the packed artifacts and the README. */
package org.retort.it;
