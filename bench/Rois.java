import ij.IJ;
import ij.ImagePlus;
import ij.gui.Roi;
import ij.io.RoiDecoder;
import java.awt.Point;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipInputStream;

/**
 * Checks that ImageJ reads the ROIs correctly: each must contain exactly the pixels of its label.
 *
 * <pre>
 * trainer predict --rois --out OUT IMAGE...
 * java -Djava.awt.headless=true -cp ij.jar bench/Rois.java OUT/STEM...     (Debian: package imagej, /usr/share/java/ij.jar)
 * </pre>
 *
 * Prints for each STEM the number of ROIs, of rows in the table, and of pixels that differ.
 */
public class Rois {
    public static void main(String[] stems) throws Exception {
        for (String stem : stems) {
            ImagePlus labels = IJ.openImage(stem + ".labels.png");
            var rows = Files.readAllLines(Path.of(stem + ".cells.csv"));
            int count = 0, differ = 0;
            try (var zip = new ZipInputStream(new FileInputStream(stem + ".rois.zip"))) {
                for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                    Roi roi = new RoiDecoder(zip.readAllBytes(), entry.getName()).getRoi();
                    String[] row = rows.get(++count).split(",");
                    int id = Integer.parseInt(row[0]), area = (int) Double.parseDouble(row[3]), own = 0;
                    for (Point pixel : roi) {
                        if (labels.getProcessor().getPixel(pixel.x, pixel.y) == id) own++;
                        else differ++;
                    }
                    differ += area - own;
                }
            }
            System.out.printf("%s: %d ROIs, %d rows, %d pixels differ%n", stem, count, rows.size() - 1, differ);
        }
    }
}
