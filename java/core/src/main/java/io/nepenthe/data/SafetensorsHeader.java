package io.nepenthe.data;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.nepenthe.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * The JSON header of a safetensors file, checked: the tensors' places cover the values without gap
 * or overlap.
 *
 * @param metadata texts by name
 * @param entries the tensors, in the header's order
 */
record SafetensorsHeader(Map<String, String> metadata, List<Entry> entries) {
  /** The same limit as the format's own library has. */
  static final long MOST_BYTES = 100_000_000;

  private static final String METADATA = "__metadata__";
  private static final int MOST_NAME = 1 << 12;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(4)
                  .maxNameLength(MOST_NAME)
                  .maxNumberLength(20)
                  .build())
          .build();

  /**
   * A tensor's place.
   *
   * @param begin the offset of its first byte from that of the first tensor
   */
  record Entry(String name, SafetensorsType type, Shape shape, long begin) {
    long bytes() {
      return type.bytes(shape);
    }

    long end() {
      return begin + bytes();
    }
  }

  /** The tensors in the order of their values. */
  List<Entry> byOffset() {
    return entries.stream()
        .sorted(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end))
        .toList();
  }

  /** The header of a file of these tensors, one after the other. */
  static byte[] json(Map<String, String> metadata, SequencedMap<String, SafetensorsPart> parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(out, JsonEncoding.UTF8)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(METADATA);
        for (Map.Entry<String, String> text : new TreeMap<>(metadata).entrySet()) {
          requireName(text.getKey());
          requireUnicode(text.getValue());
          json.writeStringField(text.getKey(), text.getValue());
        }
        json.writeEndObject();
      }
      long offset = 0;
      for (Map.Entry<String, SafetensorsPart> entry : parts.entrySet()) {
        String name = entry.getKey();
        SafetensorsType type = entry.getValue().type();
        Shape shape = entry.getValue().shape();
        requireName(name);
        if (name.equals(METADATA)) {
          throw new IllegalArgumentException("a tensor must not be named " + METADATA);
        }
        json.writeObjectFieldStart(name);
        json.writeStringField("dtype", type.name());
        json.writeArrayFieldStart("shape");
        for (int i = 0; i < shape.rank(); i++) {
          json.writeNumber(shape.size(i));
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(offset);
        offset = Math.addExact(offset, type.bytes(shape));
        json.writeNumber(offset);
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    if (out.size() > MOST_BYTES) {
      throw new IllegalArgumentException(
          "the header takes " + out.size() + " bytes; at most " + MOST_BYTES + " are allowed");
    }
    return out.toByteArray();
  }

  private static void requireName(String name) {
    if (name.length() > MOST_NAME) {
      throw new IllegalArgumentException(
          "a name has " + name.length() + " characters; at most " + MOST_NAME + " are allowed");
    }
    requireUnicode(name);
  }

  /** Half a surrogate pair would be written as bytes that are not UTF-8. */
  private static void requireUnicode(String text) {
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw new IllegalArgumentException("not Unicode: " + DataException.quote(text));
    }
  }

  /**
   * Reads and checks a header.
   *
   * @param dataBytes how many bytes of values follow it
   */
  static SafetensorsHeader parse(String where, byte[] bytes, long dataBytes) {
    SafetensorsHeader header;
    try {
      // Decoded here because the parser would guess at UTF-16, and mends what is not UTF-8.
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      if (!text.startsWith("{")) {
        throw new DataException(
            where, "a safetensors header that begins with {", DataException.quote(text));
      }
      try (JsonParser json = JSON.createParser(text)) {
        header = new Reader(where, json).header();
      }
    } catch (IOException e) {
      String found =
          e.getMessage() == null ? "other bytes" : e.getMessage().lines().findFirst().orElse("");
      throw new DataException(where, "a safetensors header in JSON", found, e);
    }
    header.requireCover(where, dataBytes);
    return header;
  }

  private void requireCover(String where, long dataBytes) {
    long at = 0;
    for (Entry entry : byOffset()) {
      if (entry.begin() != at) {
        throw new DataException(
            where + ": tensor " + DataException.quote(entry.name()),
            "values from byte " + at + " on, without gap or overlap",
            "byte " + entry.begin());
      }
      at = entry.end();
    }
    if (at != dataBytes) {
      throw new DataException(where, at + " bytes of values, as the header says", dataBytes + "");
    }
  }

  /** Walks over the tokens. */
  private record Reader(String where, JsonParser json) {
    SafetensorsHeader header() throws IOException {
      Map<String, String> metadata = new LinkedHashMap<>();
      List<Entry> entries = new ArrayList<>();
      json.nextToken();
      for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
        expect(json.nextToken(), JsonToken.START_OBJECT, "an object for " + quote(name));
        if (name.equals(METADATA)) {
          metadata(metadata);
        } else {
          entries.add(entry(name));
        }
      }
      expect(json.currentToken(), JsonToken.END_OBJECT, "the end of the header");
      expect(json.nextToken(), null, "nothing after the header but spaces");
      return new SafetensorsHeader(metadata, entries);
    }

    private void metadata(Map<String, String> metadata) throws IOException {
      for (String key = json.nextFieldName(); key != null; key = json.nextFieldName()) {
        expect(json.nextToken(), JsonToken.VALUE_STRING, "a text for " + quote(key));
        metadata.put(key, json.getText());
      }
      expect(json.currentToken(), JsonToken.END_OBJECT, "the end of the metadata");
    }

    private Entry entry(String name) throws IOException {
      String place = where + ": tensor " + quote(name);
      String type = null;
      long[] sizes = null;
      long[] offsets = null;
      for (String key = json.nextFieldName(); key != null; key = json.nextFieldName()) {
        JsonToken token = json.nextToken();
        switch (key) {
          case "dtype" -> {
            expect(token, JsonToken.VALUE_STRING, "a type for " + quote(name));
            type = json.getText();
          }
          case "shape" -> sizes = numbers(place, token, Shape.MAX_RANK);
          case "data_offsets" -> offsets = numbers(place, token, 2);
          default -> throw new DataException(place, "dtype, shape and data_offsets", quote(key));
        }
      }
      expect(json.currentToken(), JsonToken.END_OBJECT, "the end of " + quote(name));
      if (type == null || sizes == null || offsets == null || offsets.length != 2) {
        throw new DataException(place, "dtype, shape and two data_offsets", "not all of them");
      }
      String word = type;
      SafetensorsType known =
          SafetensorsType.of(type)
              .orElseThrow(
                  () ->
                      new DataException(
                          place, "values of type F32, F64 or I64", "type " + quote(word)));
      return new Entry(name, known, shape(place, known, sizes, offsets), offsets[0]);
    }

    private static Shape shape(String place, SafetensorsType type, long[] sizes, long[] offsets) {
      Shape shape;
      try {
        shape = Shape.of(sizes);
        type.bytes(shape);
      } catch (IllegalArgumentException e) {
        throw new DataException(place, "a possible shape", e.getMessage(), e);
      }
      // Neither is negative, so the difference cannot overflow.
      if (offsets[1] - offsets[0] != type.bytes(shape)) {
        throw new DataException(
            place,
            type.bytes(shape) + " bytes for shape " + shape,
            "bytes " + offsets[0] + " to " + offsets[1]);
      }
      return shape;
    }

    private long[] numbers(String place, JsonToken first, int most) throws IOException {
      expect(first, JsonToken.START_ARRAY, "a list of numbers");
      long[] numbers = new long[most];
      int count = 0;
      while (json.nextToken() == JsonToken.VALUE_NUMBER_INT) {
        long value = json.getLongValue();
        if (count == most || value < 0) {
          throw new DataException(
              place, "at most " + most + " numbers from 0 on", value < 0 ? "" + value : "more");
        }
        numbers[count++] = value;
      }
      expect(json.currentToken(), JsonToken.END_ARRAY, "the end of a list of whole numbers");
      return Arrays.copyOf(numbers, count);
    }

    private void expect(JsonToken found, JsonToken wanted, String what) {
      if (found != wanted) {
        throw new DataException(
            where + ": header, character " + json.currentTokenLocation().getCharOffset(),
            what,
            found == null ? "the end" : found.name().toLowerCase(Locale.ROOT));
      }
    }

    private static String quote(String text) {
      return DataException.quote(text);
    }
  }
}
