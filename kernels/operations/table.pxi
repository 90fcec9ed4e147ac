# The kinds of operations: one row each, at the number that its twin in fastnn/operations/ has as `kernel`.
# Columns: name; forward, backward, update, remember; infer or infer_panel; kept; divided by units; elementwise; joins;
# sizes; lines of weights beside those of the kernel.

cdef OperationKernel[14] OPERATIONS
OPERATIONS[0] = OperationKernel("dense", dense_forward, dense_backward, dense_update, NULL, dense_infer, NULL,
                                dense_kept, True, False, True, PRODUCT, 1)
OPERATIONS[1] = OperationKernel("elementwise", elementwise_forward, elementwise_backward, NULL, NULL, NULL,
                                elementwise_infer, NULL, True, True, False, ALIKE, 0)
OPERATIONS[2] = OperationKernel("rowwise", rowwise_forward, rowwise_backward, NULL, NULL, rowwise_infer, NULL,
                                NULL, False, False, False, ALIKE, 0)
OPERATIONS[3] = OperationKernel("dropout", dropout_forward, dropout_backward, NULL, NULL, NULL, random_infer,
                                dropout_kept, True, True, False, ALIKE, 0)
OPERATIONS[4] = OperationKernel("noise", noise_forward, noise_backward, NULL, NULL, NULL, random_infer,
                                NULL, True, True, False, ALIKE, 0)
OPERATIONS[5] = OperationKernel("batch_normalization", batch_norm_forward, batch_norm_backward, batch_norm_update,
                                batch_norm_remember, NULL, batch_norm_infer, norm_kept, False, False, False, ALIKE, 4)
OPERATIONS[6] = OperationKernel("layer_normalization", layer_norm_forward, layer_norm_backward, layer_norm_update,
                                NULL, layer_norm_infer, NULL, norm_kept, False, False, False, ALIKE, 2)
OPERATIONS[7] = OperationKernel("unit_normalization", unit_forward, unit_backward, NULL, NULL, unit_infer, NULL,
                                unit_kept, False, False, False, ALIKE, 0)
OPERATIONS[8] = OperationKernel("convolution", conv_forward, conv_backward, conv_update, NULL, conv_infer, NULL,
                                dense_kept, False, False, True, WALK, 1)
OPERATIONS[9] = OperationKernel("transposed_convolution", conv_forward, conv_backward, transposed_update, NULL, conv_infer,
                                NULL, dense_kept, False, False, True, WALK_BACK, 1)
OPERATIONS[10] = OperationKernel("max_pooling", max_pool_forward, max_pool_backward, NULL, NULL, max_pool_infer, NULL,
                                 max_pool_kept, False, False, False, WINDOWS, 0)
OPERATIONS[11] = OperationKernel("average_pooling", average_pool_forward, average_pool_backward, NULL, NULL,
                                 average_pool_infer, NULL, NULL, False, False, False, WINDOWS, 0)
OPERATIONS[12] = OperationKernel("resampling", resample_forward, resample_backward, NULL, NULL, resample_infer, NULL,
                                 NULL, False, False, False, RESAMPLES, 0)
OPERATIONS[13] = OperationKernel("permutation", permute_forward, permute_backward, NULL, NULL, permute_infer, NULL,
                                 NULL, False, False, False, MOVES, 0)
