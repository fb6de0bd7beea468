// Command unzip takes single files out of a zip archive: unzip ARCHIVE FOLDER FILE...
package main

import (
	"archive/zip"
	"io"
	"log"
	"os"
	"path"
	"path/filepath"
)

func main() {
	archive, err := zip.OpenReader(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range os.Args[3:] {
		if err := take(archive, name, filepath.Join(os.Args[2], path.Base(name))); err != nil {
			log.Fatalf("cannot take %s out of %s: %v", name, os.Args[1], err)
		}
	}
}

func take(archive *zip.ReadCloser, name, target string) error {
	from, err := archive.Open(name)
	if err != nil {
		return err
	}
	to, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.Close()
}
