package org.retort.data;

import com.drew.imaging.ImageProcessingException;
import com.drew.imaging.jpeg.JpegSegmentReader;
import com.drew.imaging.jpeg.JpegSegmentType;
import com.drew.imaging.png.PngChunk;
import com.drew.imaging.png.PngChunkReader;
import com.drew.imaging.png.PngChunkType;
import com.drew.imaging.riff.RiffHandler;
import com.drew.imaging.riff.RiffReader;
import com.drew.lang.ByteArrayReader;
import com.drew.lang.SequentialByteArrayReader;
import com.drew.metadata.Metadata;
import com.drew.metadata.exif.ExifIFD0Directory;
import com.drew.metadata.exif.ExifReader;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/** The orientation of a camera, which it records in a file's Exif data. */
final class Orientation {
  private static final int UPRIGHT = 1;
  private static final int LAST = 8;

  private final Metadata metadata = new Metadata();
  private final ExifReader reader = new ExifReader();

  private Orientation() {}

  /** Returns 1 to 8; 1, upright, if the file does not say or can't be understood. */
  static int of(PictureFormat format, byte[] content) {
    Orientation orientation = new Orientation();
    try {
      orientation.read(format, content);
    } catch (ImageProcessingException | IOException | RuntimeException e) {
      return UPRIGHT; // its reader checks whether the picture itself is whole
    }
    return orientation.value();
  }

  private void read(PictureFormat format, byte[] content)
      throws ImageProcessingException, IOException {
    SequentialByteArrayReader bytes = new SequentialByteArrayReader(content);
    switch (format) {
      case JPEG ->
          reader.readJpegSegments(
              JpegSegmentReader.readSegments(bytes, List.of(JpegSegmentType.APP1))
                  .getSegments(JpegSegmentType.APP1),
              metadata,
              JpegSegmentType.APP1);
      case PNG -> {
        for (PngChunk chunk : new PngChunkReader().extract(bytes, Set.of(PngChunkType.eXIf))) {
          take(chunk.getBytes());
        }
      }
      case WEBP -> new RiffReader().processRiff(bytes, new ExifChunk());
    }
  }

  private void take(byte[] exif) {
    // Some writers put JPEG's segment name before it.
    int start =
        ExifReader.startsWithJpegExifPreamble(exif) ? ExifReader.JPEG_SEGMENT_PREAMBLE.length() : 0;
    reader.extract(new ByteArrayReader(exif, start), metadata);
  }

  private int value() {
    ExifIFD0Directory directory = metadata.getFirstDirectoryOfType(ExifIFD0Directory.class);
    Integer value =
        directory == null ? null : directory.getInteger(ExifIFD0Directory.TAG_ORIENTATION);
    return value == null || value < UPRIGHT || value > LAST ? UPRIGHT : value;
  }

  /** Takes the chunk of a WebP file that has Exif data. */
  private final class ExifChunk implements RiffHandler {
    @Override
    public boolean shouldAcceptRiffIdentifier(String identifier) {
      return identifier.equals("WEBP");
    }

    @Override
    public boolean shouldAcceptChunk(String fourCC) {
      return fourCC.equals("EXIF");
    }

    @Override
    public boolean shouldAcceptList(String fourCC) {
      return false;
    }

    @Override
    public void processChunk(String fourCC, byte[] payload) {
      take(payload);
    }

    @Override
    public void addError(String message) {
      // Ignored, like everything that can't be understood.
    }
  }
}
