# The kinds of operations: one row each, at the number that its twin in fastnn/operations/ has as `kernel`.
# Columns: name; forward, backward, update, remember; infer or infer_panel; kept; divided by units; elementwise; joins;
# product; other lines of weights.

cdef OperationKernel[8] OPERATIONS
OPERATIONS[0] = OperationKernel("dense", dense_forward, dense_backward, dense_update, NULL, dense_infer, NULL,
                                dense_kept, True, False, True, True, 1)
OPERATIONS[1] = OperationKernel("elementwise", elementwise_forward, elementwise_backward, NULL, NULL, NULL,
                                elementwise_infer, NULL, True, True, False, False, 0)
OPERATIONS[2] = OperationKernel("rowwise", rowwise_forward, rowwise_backward, NULL, NULL, rowwise_infer, NULL,
                                NULL, False, False, False, False, 0)
OPERATIONS[3] = OperationKernel("dropout", dropout_forward, dropout_backward, NULL, NULL, NULL, random_infer,
                                dropout_kept, True, True, False, False, 0)
OPERATIONS[4] = OperationKernel("noise", noise_forward, noise_backward, NULL, NULL, NULL, random_infer,
                                NULL, True, True, False, False, 0)
OPERATIONS[5] = OperationKernel("batch_normalization", batch_norm_forward, batch_norm_backward, batch_norm_update,
                                batch_norm_remember, NULL, batch_norm_infer, norm_kept, False, False, False, False, 4)
OPERATIONS[6] = OperationKernel("layer_normalization", layer_norm_forward, layer_norm_backward, layer_norm_update,
                                NULL, layer_norm_infer, NULL, norm_kept, False, False, False, False, 2)
OPERATIONS[7] = OperationKernel("unit_normalization", unit_forward, unit_backward, NULL, NULL, unit_infer, NULL,
                                unit_kept, False, False, False, False, 0)
