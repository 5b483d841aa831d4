package org.retort.cli;

/** A command whose work several processes can share. */
interface OverRanks {}
