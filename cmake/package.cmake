# Copies the library beside a manifest of what the jar must find: hashes of the library, its header and oneDNN's files.
file(MAKE_DIRECTORY "${DESTINATION}")
file(COPY_FILE "${LIBRARY}" "${DESTINATION}/libnepenthe.so" ONLY_IF_DIFFERENT)
file(SHA256 "${LIBRARY}" library)
file(SHA256 "${DNNL}/libdnnl.so.3" dnnl)
file(SHA256 "${DNNL}/libgomp.so.1" gomp)
file(CONFIGURE OUTPUT "${DESTINATION}/native.properties" CONTENT
"header.sha256=${HEADER_HASH}
libnepenthe.so=${library}
libdnnl.so.3=${dnnl}
libgomp.so.1=${gomp}
")
