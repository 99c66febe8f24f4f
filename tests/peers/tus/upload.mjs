// Uploads a file with tus-js-client, which is stopped and started again on the way.
// node upload.mjs URL SESSION DATASET FORMAT FILE
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, session, datasetId, datafileFormatId, file] = process.argv.slice(2);
let stopped = false;
const upload = new Upload(createReadStream(file), {
  endpoint,
  chunkSize: 1 << 20,
  uploadSize: statSync(file).size,
  retryDelays: [100],
  headers: { Authorization: `Bearer ${session}` },
  metadata: { filename: "by js.nxs", datasetId, datafileFormatId },
  onChunkComplete(_, accepted) {
    if (stopped) return;
    stopped = true;
    console.log("stopped", accepted);
    upload.abort().then(() => {
      upload.file = createReadStream(file);
      upload.start();
    });
  },
  onSuccess: ({ lastResponse }) => console.log("datafile", lastResponse.getHeader("X-Datafile-Id")),
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
});
upload.start();
