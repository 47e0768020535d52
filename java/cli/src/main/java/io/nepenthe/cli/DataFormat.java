package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Idx;
import io.nepenthe.data.Npz;
import java.nio.file.Path;

/** The formats that data sets are written in. */
enum DataFormat {
  /** One NPZ file: images, labels, ids. */
  NPZ {
    @Override
    void write(Dataset dataset, Path folder, String name, Run run) {
      Path file = folder.resolve(name + ".npz");
      run.writes(file);
      Npz.write(dataset, file);
      run.result().output(file);
      run.say("%s: %s images", file, Text.count(dataset.size()));
    }
  },
  /** Two IDX files, as MNIST's: images and labels. An image's id is its place. */
  IDX {
    @Override
    void write(Dataset dataset, Path folder, String name, Run run) {
      for (long i = 0; i < dataset.size(); i++) {
        if (dataset.id(i) != i) {
          throw new CommandException(
              dataset.name()
                  + ": expected ids that count from 0, which IDX files imply, found id "
                  + dataset.id(i)
                  + " at place "
                  + i
                  + "; remedy: --format npz keeps ids");
        }
      }
      Path images = folder.resolve(name + "-images-idx3-ubyte");
      Path labels = folder.resolve(name + "-labels-idx1-ubyte");
      run.writes(images);
      run.writes(labels);
      Idx.write(dataset, images, labels);
      run.result().output(images);
      run.result().output(labels);
      run.say("%s and %s: %s images", images, labels, Text.count(dataset.size()));
    }
  };

  /** Writes a data set into a folder, under this name. */
  abstract void write(Dataset dataset, Path folder, String name, Run run);
}
