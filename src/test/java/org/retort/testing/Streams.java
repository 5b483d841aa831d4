package org.retort.testing;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.function.Consumer;

/** Streams as users have them, which nobody but them may close. */
public final class Streams {
  private Streams() {}

  /** Returns what is written to a stream. */
  public static byte[] written(Consumer<OutputStream> save) {
    ByteArrayOutputStream bytes =
        new ByteArrayOutputStream() {
          @Override
          public void close() {
            throw new AssertionError("closed");
          }
        };
    save.accept(bytes);
    return bytes.toByteArray();
  }

  /** Returns a stream that gives no more than 100 bytes at once, as a network does. */
  public static InputStream of(byte[] bytes) {
    return new ByteArrayInputStream(bytes) {
      @Override
      public int read(byte[] to, int offset, int length) {
        return super.read(to, offset, Math.min(length, 100));
      }

      @Override
      public void close() {
        throw new AssertionError("closed");
      }
    };
  }

  /** Returns a stream that gives some bytes before it fails. */
  public static InputStream breaking(byte[] bytes) {
    return new InputStream() {
      private int next;

      @Override
      public int read() throws IOException {
        if (next == bytes.length) {
          throw new IOException("connection lost");
        }
        return bytes[next++] & 0xff;
      }

      @Override
      public int read(byte[] to, int offset, int length) throws IOException {
        to[offset] = (byte) read();
        return 1;
      }
    };
  }

  /** Returns a stream that takes some bytes before it fails. */
  public static OutputStream full(int room) {
    return new OutputStream() {
      private int left = room;

      @Override
      public void write(int value) throws IOException {
        if (left-- == 0) {
          throw new IOException("no space left");
        }
      }
    };
  }

  /** Returns a stream that takes its bytes only after something was done by another thread. */
  public static OutputStream after(Runnable action) {
    return new OutputStream() {
      @Override
      public void write(int value) {
        throw new AssertionError("byte by byte");
      }

      @Override
      public void write(byte[] bytes, int offset, int length) throws IOException {
        Thread thread = new Thread(action);
        thread.start();
        try {
          thread.join();
        } catch (InterruptedException error) {
          throw new IOException(error);
        }
      }
    };
  }
}
