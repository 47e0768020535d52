# Copies the library beside a manifest of what the jar must find: hashes of the library, its header, and the files of
# oneDNN and LAPACK.
file(MAKE_DIRECTORY "${DESTINATION}")
file(COPY_FILE "${LIBRARY}" "${DESTINATION}/libnepenthe.so" ONLY_IF_DIFFERENT)
file(SHA256 "${LIBRARY}" library)
file(SHA256 "${DNNL}/libdnnl.so.3" dnnl)
file(SHA256 "${DNNL}/libgomp.so.1" gomp)
file(SHA256 "${OPENBLAS}/libopenblas.so.0" openblas)
file(SHA256 "${OPENBLAS}/libgfortran.so.5" gfortran)
file(SHA256 "${OPENBLAS}/libquadmath.so.0" quadmath)
file(CONFIGURE OUTPUT "${DESTINATION}/native.properties" CONTENT
"header.sha256=${HEADER_HASH}
libnepenthe.so=${library}
libdnnl.so.3=${dnnl}
libgomp.so.1=${gomp}
libopenblas.so.0=${openblas}
libgfortran.so.5=${gfortran}
libquadmath.so.0=${quadmath}
")
