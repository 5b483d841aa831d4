package org.retort.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Passes on a rank's output as it arrives, except for the lines in which Gloo reports its
 * connections.
 */
final class GlooFilter extends OutputStream {
  private static final byte[] START = "[Gloo] Rank ".getBytes(StandardCharsets.US_ASCII);

  private final OutputStream out;
  private int matched; // bytes of this line that match START and were not passed on
  private boolean isOther; // whether this line is not Gloo's

  GlooFilter(OutputStream out) {
    this.out = out;
  }

  @Override
  public void write(int value) throws IOException {
    if (matched == START.length) {
      endLine(value); // one of Gloo's lines
      return;
    }
    if (!isOther && (byte) value == START[matched]) {
      matched++;
      return;
    }
    pass();
    isOther = true;
    out.write(value);
    endLine(value);
  }

  private void endLine(int value) {
    if (value == '\n') {
      matched = 0;
      isOther = false;
    }
  }

  private void pass() throws IOException {
    out.write(START, 0, matched);
    matched = 0;
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    for (int i = 0; i < length; i++) {
      write(bytes[offset + i]);
    }
  }

  @Override
  public void flush() throws IOException {
    out.flush();
  }

  /** Passes on a final line that is too short to identify. */
  @Override
  public void close() throws IOException {
    if (matched < START.length) {
      pass();
    }
    flush();
  }
}
